import { randomBytes } from 'node:crypto'

/** `stem` with a random end: for what lives on a server that others use too. */
export function uniqueName(stem: string): string {
  return `${stem}_${randomBytes(5).toString('hex')}`
}
