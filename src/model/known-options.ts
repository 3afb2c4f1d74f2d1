import { nearestWord } from './nearest-word.ts'
import { isPlainObject, unknownFields } from './plain-object.ts'

/**
 * What to say of the first option that there is not: it, all that there are, and the nearest of them. Null where every
 * option is known, and for what is no plain object, which is left to who reads the options.
 * @param where the call, as in `hopping`
 */
export function unknownOption(where: string, options: unknown, known: readonly string[]): string | null {
  const [unknown] = isPlainObject(options) ? unknownFields(options, known) : []
  if (unknown === undefined) return null
  const are = known.length === 1 ? 'its option is' : 'its options are'
  return `${where} has no option '${unknown}': ${are} ${known.join(', ')}${orMeant(unknown, known, '.')}`
}

/** `; did you mean 'scale'?` where one of `known` is near to `name`, else `end`. */
export function orMeant(name: string, known: readonly string[], end = ''): string {
  const meant = nearestWord(name, known)
  return meant === null ? end : `; did you mean '${meant}'?`
}
