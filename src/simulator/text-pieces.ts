/** Cuts the text of a simulated model into the pieces of a stream, and counts its words; pure functions. */

/** One for each word with the white space before it, unless told otherwise. Cuts by characters, never through one. */
export function textPieces(text: string, shape: PieceShape): readonly string[] {
  if (text === '') return []
  const { pieceSizes, pieceCount } = shape
  if (pieceSizes !== undefined) return piecesBySize([...text], pieceSizes)
  if (pieceCount !== undefined) return evenPieces([...text], Math.max(1, pieceCount))
  return text.match(/\s*\S+\s*$|\s*\S+/g) ?? [text]
}

export interface PieceShape {
  /** In how many pieces the text is streamed; default one for each word. */
  readonly pieceCount?: number | undefined
  /** How many characters the pieces have, over and over. */
  readonly pieceSizes?: readonly number[]
}

function piecesBySize(characters: readonly string[], sizes: readonly number[]): readonly string[] {
  const pieces: string[] = []
  for (let start = 0; start < characters.length; ) {
    const size = Math.max(1, sizes[pieces.length % sizes.length] ?? 1)
    pieces.push(characters.slice(start, start + size).join(''))
    start += size
  }
  return pieces
}

function evenPieces(characters: readonly string[], count: number): readonly string[] {
  const at = (index: number) => Math.floor((index * characters.length) / count)
  return Array.from({ length: count }, (_, index) => characters.slice(at(index), at(index + 1)).join(''))
}

/** The first piece gets so many bytes more. */
export function withHugePiece(pieces: readonly string[], hugeBytes: number | undefined): readonly string[] {
  if (hugeBytes === undefined) return pieces
  const [first = '', ...rest] = pieces
  return [first + 'x'.repeat(hugeBytes), ...rest]
}

/** How many runs without white space. */
export function wordCount(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}
