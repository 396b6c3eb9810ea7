/** The bundler gathers what is imported so. */
declare module '*.css'
