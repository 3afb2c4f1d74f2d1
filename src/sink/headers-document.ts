import { isUtf8 } from 'node:buffer'
import type { RecordMeta } from '../model/record-meta.ts'
import type { JsonText } from '../model/values.ts'
import { documentText } from './document-text.ts'

/** Headers as a document: by name their text, null, or `{ "base64": ... }` for what is no UTF-8. */
export function headersDocument(headers: RecordMeta['headers']): JsonText {
  // Without a prototype, so that a header named `__proto__` is one.
  const document: Record<string, unknown> = Object.create(null)
  for (const [name, value] of headers) document[name] = value && headerValue(value)
  return { json: documentText(document) }
}

function headerValue(value: Uint8Array): unknown {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
}
