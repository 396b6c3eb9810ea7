/** Files that are embedded with `with { type: 'file' }`: the import is their path, in the binary too. */
declare module '*/swagger-start.js' {
  const path: string
  export default path
}

declare module 'swagger-ui-dist/swagger-ui-bundle.js' {
  const path: string
  export default path
}

declare module '*.css' {
  const path: string
  export default path
}
