/** Answers from a file inside the binary, or from text made once. A client that has it already is told so. */
export interface Asset {
  readonly contentType: string
  readonly read: () => Promise<Uint8Array<ArrayBuffer>>
  readonly headers?: Readonly<Record<string, string>>
}

export function staticAsset({ contentType, read, headers }: Asset) {
  let loaded: Promise<{ bytes: Uint8Array<ArrayBuffer>; etag: string }> | null = null
  const load = async () => {
    const bytes = await read()
    return { bytes, etag: `"${Bun.hash(bytes).toString(36)}"` }
  }

  return async ({ request }: { request: Request }): Promise<Response> => {
    loaded ??= load()
    const { bytes, etag } = await loaded
    const told = {
      ...headers,
      etag,
      // Asked for again each time and rarely sent again: right after an update too.
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
    }
    if (isKnown(request.headers.get('if-none-match'), etag)) return new Response(null, { status: 304, headers: told })
    return new Response(bytes, { headers: { ...told, 'content-type': contentType } })
  }
}

/** RFC 9110, 13.1.2: a list, compared weakly. */
function isKnown(given: string | null, etag: string): boolean {
  if (given === null) return false
  return given.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}
