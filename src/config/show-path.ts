/** A path as people know it: relative where it lies inside the working directory. */
import { isAbsolute, relative } from 'node:path'

export function showPath(cwd: string, path: string): string {
  const inside = relative(cwd, path)
  return inside.startsWith('..') || isAbsolute(inside) ? path : inside
}
