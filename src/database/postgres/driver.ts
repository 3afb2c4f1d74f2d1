/*
 * The one place where pg is loaded. It asks whether it runs at Cloudflare by what `navigator` says, and where there is
 * none (Node before 21) by making a `Response`, which loads all of Node's `fetch`: 40 ms of a start of 500. So it is told
 * what newer versions of Node say, and nobody else is: the three are evaluated one after another, with nothing between.
 */
import './node-navigator.ts'

export { default } from 'pg'

import { forgetNavigator } from './node-navigator.ts'

forgetNavigator()
