import { utf8Text } from './utf8.ts'

/**
 * The text of `buffer[start, end)` and the JSON value that it says.
 * @throws Error when the bytes are not UTF-8, or the text is not JSON
 */
export function parseJson(buffer: Buffer, start: number, end: number): { text: string; value: unknown } {
  const text = utf8Text(buffer, start, end)
  try {
    return { text, value: JSON.parse(text) }
  } catch (error) {
    if (text.charCodeAt(0) === 0xfeff) {
      throw new Error('the text begins with a byte order mark, which is not JSON', { cause: error })
    }
    throw new Error(`the text is not JSON: ${(error as Error).message}`, { cause: error })
  }
}
