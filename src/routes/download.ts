/** Answers that are files: written piece by piece, no faster than they are read, and no further once nobody reads. */

export interface Download {
  /** With its ending. */
  readonly filename: string
  readonly format: 'csv' | 'json'
  /** The next piece; null at the end. */
  readonly next: () => Promise<string | null>
}

const contentTypes = { csv: 'text/csv; charset=utf-8; header=present', json: 'application/json' } as const

export function download({ filename, format, next }: Download): Response {
  const encoder = new TextEncoder()
  let isOver = false
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await next()
          if (isOver) return
          if (piece === null) controller.close()
          else controller.enqueue(encoder.encode(piece))
        } catch (cause) {
          // The connection breaks: half of a file must not look like a whole one.
          if (!isOver) controller.error(cause)
        }
      },
      cancel() {
        isOver = true
      },
    },
    { highWaterMark: 1 },
  )
  return new Response(body, {
    headers: {
      'content-type': contentTypes[format],
      'content-disposition': `attachment; filename="${filename}"`,
      'cache-control': 'no-store',
    },
  })
}

/** Such as `requests-20300101-080000`. */
export function datedName(name: string, time: number): string {
  const [date = '', clock = ''] = new Date(time).toISOString().slice(0, 19).split('T')
  return `${name}-${date.replaceAll('-', '')}-${clock.replaceAll(':', '')}`
}
