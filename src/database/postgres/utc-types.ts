import pg from './driver.ts'

const DATE = 1082
const TIMESTAMP = 1114

/**
 * How values come back from the server: as pg does it by default (int8 and numeric as strings, timestamptz as Date),
 * but `date` and `timestamp`, which have no zone, as Dates in UTC. pg reads them in the process's own zone, so that
 * a value that is read and written back moves, and two hours of a DST night become one.
 */
export const utcTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary' && oid === DATE) return (text: string) => utcDate(text, 'T00:00:00Z')
    if (format !== 'binary' && oid === TIMESTAMP)
      return (text: string) => utcDate(text.replace(' ', 'T'), 'Z')
    return pg.types.getTypeParser(oid, format as 'text')
  }) as typeof pg.types.getTypeParser,
}

/** What no Date can hold (infinity, years before Christ or after 9999) stays text. */
function utcDate(text: string, suffix: string): Date | string {
  const date = new Date(text + suffix)
  return Number.isNaN(date.getTime()) ? text : date
}
