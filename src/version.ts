/** Which program this is. The two constants are put in by the build; from source there are none. */
import packageJson from '../package.json'

declare const BUILD_VERSION: string
declare const BUILD_COMMIT: string

export const version = typeof BUILD_VERSION === 'string' ? BUILD_VERSION : packageJson.version
export const commit = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : ''
