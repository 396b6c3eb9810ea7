/** The program in front of a simulated Scira: what it shows of its settings, and a call. */
import { expect, test } from 'bun:test'
import { startSciraSimulator } from '../../src/simulator/scira.ts'
import { adminKey, clientKey, createFolder, runProgram, startProgram } from '../helpers/program.ts'

test('check shows the settings without the cookie, --probe spends no call, and a call is answered', async () => {
  const cookie = 'session=a-value-of-the-program-tests'
  const upstream = startSciraSimulator({ signedOut: { kind: 'good', text: 'Hello there' } })
  const settings = (cookies: string) => `
server: { port: 0 }
access: { admin_key: ${adminKey}, client_keys: [${clientKey}] }
providers: { scira: { type: scira, base_url: "${upstream.origin}"${cookies} } }`
  await using folder = await createFolder({ 'any2api.yaml': settings('') })
  try {
    const probed = await runProgram({ folder, words: ['check', '--probe'] })
    expect([probed.status, probed.stderr]).toEqual([0, ''])
    expect(probed.stdout).toMatch(/^scira +signed out +works$/m)
    expect(upstream.requests.filter(({ method }) => method === 'POST')).toEqual([])

    await using program = await startProgram({ folder })
    const response = await fetch(`http://127.0.0.1:${program.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'scira-default', messages: [{ role: 'user', content: 'hi' }] }),
    })
    expect(await response.text()).toContain('"content":"Hello there"')

    await folder.write('any2api.yaml', settings(`, cookies: ["${cookie}"]`))
    const shown = await runProgram({ folder, words: ['check', '--probe'] })
    expect(shown.stdout).toContain('cannot be told')
    expect(shown.stdout + shown.stderr).not.toContain('a-value-of')
  } finally {
    upstream.stop()
  }
}, 60_000)
