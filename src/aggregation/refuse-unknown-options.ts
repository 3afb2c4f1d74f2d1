import { OncesinkError } from '../errors.ts'
import { unknownOption } from '../model/known-options.ts'

/** @throws OncesinkError CONFIGURATION_INVALID for an option of `factory` that there is not */
export function refuseUnknownOptions(factory: string, options: unknown, known: readonly string[]): void {
  const wrong = unknownOption(factory, options, known)
  if (wrong !== null) throw new OncesinkError('CONFIGURATION_INVALID', wrong)
}
