export type Flavour = 'mysql' | 'mariadb'

export interface ServerVersion {
  readonly flavour: Flavour
  /** Product and version, for example `MySQL 9.7.4`. */
  readonly version: string
  /** Why the server cannot be used and what to do, as it reads after "... is", or null. */
  readonly tooOld: string | null
}

/** 8.0.19 names the new row of an upsert, and has the collation utf8mb4_0900_bin; 10.6 has JSON_TABLE, SKIP LOCKED, and is still mended. */
const oldest: Record<Flavour, readonly [number, number, number]> = { mysql: [8, 0, 19], mariadb: [10, 6, 0] }
const products: Record<Flavour, string> = { mysql: 'MySQL', mariadb: 'MariaDB' }

/** What `version()` says: `9.7.4`, `8.0.36-0ubuntu0.22.04.1`, `11.4.5-MariaDB-log`, `5.5.5-10.6.16-MariaDB`. */
export function readVersion(text: string): ServerVersion {
  const flavour = /mariadb/i.test(text) ? 'mariadb' : 'mysql'
  // What MariaDB puts in front for old replicas.
  const number = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(text)
  const product = products[flavour]
  const least = oldest[flavour]
  const cure = `oncesink needs ${product} ${least.join('.')} or newer. Upgrade the server, or name another one`
  if (!number) {
    const version = `${product} of an unknown version (${text})`
    return { flavour, version, tooOld: `${version}: ${cure}` }
  }
  const parts = [Number(number[1]), Number(number[2]), Number(number[3])]
  const version = `${product} ${parts.join('.')}`
  const tooOld = isBelow(parts, least) ? `${version}: ${cure}` : null
  return { flavour, version, tooOld }
}

function isBelow(parts: readonly number[], least: readonly number[]): boolean {
  for (const [i, part] of parts.entries()) {
    const bound = least[i] ?? 0
    if (part !== bound) return part < bound
  }
  return false
}
