/** Finds fixed tags in text that arrives in pieces, wherever it is cut; what a tag means is not known here. */

export interface TagScanner {
  push(text: string): TagPiece[]
  /** What is still held back: the beginning of a tag whose rest never came. */
  end(): string
}

export type TagPiece = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'tag'; readonly tag: string }

/** Every tag begins with `<` and holds no other. No more than a tag's length is held back, so the work is linear in the text. */
export function createTagScanner(tags: readonly string[]): TagScanner {
  let held = ''
  return {
    push(text) {
      const pieces: TagPiece[] = []
      const all = held + text
      let textStart = 0
      let at = all.indexOf('<')
      held = ''
      while (at >= 0) {
        const tag = tags.find((each) => all.startsWith(each, at))
        if (tag !== undefined) {
          addText(pieces, all.slice(textStart, at))
          pieces.push({ kind: 'tag', tag })
          textStart = at + tag.length
        } else if (isBeginning(all, at)) {
          held = all.slice(at)
          break
        }
        at = all.indexOf('<', Math.max(at + 1, textStart))
      }
      addText(pieces, all.slice(textStart, all.length - held.length))
      return pieces
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }

  function isBeginning(text: string, at: number): boolean {
    const length = text.length - at
    return tags.some((tag) => length < tag.length && tag.startsWith(text.slice(at)))
  }
}

function addText(pieces: TagPiece[], text: string): void {
  if (text !== '') pieces.push({ kind: 'text', text })
}
