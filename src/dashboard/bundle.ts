/**
 * The dashboard's script and style as the browser gets them. From source they are bundled when they are first asked for; `build.ts`
 * puts in the place of this file one that holds the finished bundle.
 */
export interface DashboardBundle {
  readonly script: string
  readonly style: string
}

/** Throws an AggregateError that names the places when the source does not build. */
export async function readDashboardBundle(): Promise<DashboardBundle> {
  // Relative to this file, which exists wherever this code runs: in the binary it was replaced.
  const built = await Bun.build({
    entrypoints: [new URL('./app/main.tsx', import.meta.url).pathname],
    target: 'browser',
    format: 'esm',
    minify: true,
  })
  const textOf = async (ending: string) => (await built.outputs.find(({ path }) => path.endsWith(ending))?.text()) ?? ''
  return { script: await textOf('.js'), style: await textOf('.css') }
}
