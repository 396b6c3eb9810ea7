import type { Figures } from './figures.ts'
export interface Picture {
  file: string
  title: string
  svg: string
}
export function charts(_figures: Figures): Picture[] {
  return []
}
