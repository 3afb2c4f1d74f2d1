// Stands in for psql where it is not installed: `psql <url> -f <file>` and `psql <url> -c <statement>`.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const pg = createRequire(import.meta.url)('pg')
const [url, option, argument] = process.argv.slice(2)
const client = new pg.Client({ connectionString: url })
await client.connect()
const { rows } = await client.query(option === '-f' ? readFileSync(argument, 'utf8') : argument)
for (const row of rows) console.log(Object.values(row).map(String).join(' | '))
await client.end()
