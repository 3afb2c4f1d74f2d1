declare module 'pg-copy-streams' {
  import type { Writable } from 'node:stream'
  import type { Submittable } from 'pg'

  /** COPY ... FROM STDIN: give it to client.query(), then write the rows to it. */
  export interface CopyFromStream extends Writable, Submittable {
    /** What the server's command tag says, once the stream has finished. */
    readonly rowCount: number
  }
  export function from(text: string): CopyFromStream
}
