/*
 * Which statements user code may send in a transaction that is not its own. The server cannot be asked (a COMMIT is
 * a legal statement), so the first keyword is looked at before anything is sent. This reads only what comes before
 * the first keyword; that a string holds one statement only is enforced by the wire protocol.
 */

export interface GuardSyntax {
  /** Whether block comments nest. */
  readonly nestedComments: boolean
  /** Whether `#` begins a comment. */
  readonly hashComments: boolean
  /** Whether the text of a comment that begins with `/*!` or `/*M!` is executed. */
  readonly executableComments: boolean
  /** Characters of which each ends a comment of one line. */
  readonly lineEnds: string
  /** Keywords, in capitals, that begin what is refused. */
  readonly refused: ReadonlyMap<string, RefusedBecause>
  /** Words, in capitals, of which one must follow SET for it to be allowed. */
  readonly allowedAfterSet: ReadonlySet<string>
}

export type RefusedBecause = 'transaction' | 'ddl' | 'session' | 'bulk'

const reasons: Record<RefusedBecause, string> = {
  transaction:
    'the transaction belongs to oncesink: it commits rows and offsets together, and rolls both back when this code throws',
  ddl: 'it changes the structure of the database: do that in a migration, before the job runs',
  session: 'it changes the session beyond this transaction',
  bulk: 'this handle has no stream for its data: use insert, or the append sink',
}

/** Why `sql` may not be sent, or null when it may. */
export function refuseStatement(sql: string, syntax: GuardSyntax): string | null {
  const start = skipToKeyword(sql, 0, syntax)
  if (start === 'executable comment') return 'it begins with a comment that the server would execute'
  const word = keywordAt(sql, start)
  if (word === 'SET') {
    const next = skipToKeyword(sql, start + word.length, syntax)
    const after = next === 'executable comment' ? '' : keywordAt(sql, next)
    if (after === 'TRANSACTION') return `SET TRANSACTION: ${reasons.transaction}`
    return syntax.allowedAfterSet.has(after) ? null : `SET: ${reasons.session}`
  }
  const because = syntax.refused.get(word)
  return because ? `${word}: ${reasons[because]}` : null
}

function keywordAt(sql: string, start: number): string {
  return (/^[A-Za-z_]+/.exec(sql.slice(start, start + 40))?.[0] ?? '').toUpperCase()
}

/** Skips white space, comments, parentheses and empty statements. */
function skipToKeyword(sql: string, from: number, syntax: GuardSyntax): number | 'executable comment' {
  let i = from
  for (;;) {
    const c = sql[i]
    if (c === undefined) return i
    if (/[\s(;]/.test(c)) i += 1
    else if (sql.startsWith('--', i) || (c === '#' && syntax.hashComments))
      i = afterLine(sql, i, syntax.lineEnds)
    else if (sql.startsWith('/*', i)) {
      if (syntax.executableComments && /^\/\*M?!/.test(sql.slice(i, i + 4))) return 'executable comment'
      i = afterBlock(sql, i, syntax.nestedComments)
    } else return i
  }
}

function afterLine(sql: string, from: number, lineEnds: string): number {
  let i = from
  while (i < sql.length && !lineEnds.includes(sql.charAt(i))) i += 1
  return Math.min(i + 1, sql.length)
}

function afterBlock(sql: string, from: number, nested: boolean): number {
  let depth = 1
  let i = from + 2
  while (i < sql.length && depth > 0) {
    if (sql.startsWith('*/', i)) {
      depth -= 1
      i += 2
    } else if (nested && sql.startsWith('/*', i)) {
      depth += 1
      i += 2
    } else i += 1
  }
  return i
}
