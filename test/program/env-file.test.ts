import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { createFolder, runProgram } from '../helpers/program.ts'

test('from source, too, the runtime leaves .env to the program', async () => {
  const bunfig = await Bun.file(join(import.meta.dir, '../../bunfig.toml')).text()
  await using folder = await createFolder({ 'bunfig.toml': bunfig, '.env': 'GREETING=hello' })
  const words = ['-e', 'console.log(process.env.GREETING ?? "not in the environment")']
  const bun = Bun.spawn([process.execPath, ...words], { cwd: folder.path, env: {}, stdout: 'pipe' })
  expect(await new Response(bun.stdout).text()).toBe('not in the environment\n')
  expect(await bun.exited).toBe(0)
})

test('what stands in .env is told by its place there', async () => {
  await using folder = await createFolder({ '.env': 'ONDEMAND_APIKEYS=key1\nPRIVATE_KEY=testofli' })
  const { status, stderr } = await runProgram({ folder, words: ['check'], from: 'source' })
  expect(status).toBe(1)
  expect(stderr).toContain('.env: PRIVATE_KEY: is a published example')
})
