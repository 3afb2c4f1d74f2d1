import { fileHandoff } from 'oncesink'
import type { ContractPlace } from 'oncesink/testing'

export default ({ directory }: ContractPlace) => fileHandoff({ directory })
