/** Codes of Node's sockets and resolver that say that nobody is there, or not any more. */
export const networkCodes: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/** What to do about a server that cannot be reached, by the code of Node's socket or resolver. */
export function networkCure(error: Error): string | undefined {
  const [first = error] = error instanceof AggregateError ? (error.errors as Error[]) : []
  switch ('code' in first && first.code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return 'Check that the server runs, and that host and port are right.'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return "Check the host's name."
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'Check host and port, and the firewalls between.'
    default:
      return undefined
  }
}
