import type { ChaosResult } from '../result.ts'
import { chaosText } from './text.ts'

export function chaosHtml(result: ChaosResult): string {
  return `<pre>${chaosText(result)}</pre>`
}
