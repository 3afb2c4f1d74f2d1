// Parts of kafkajs 2.2.4 (the version is pinned) that have no types of their own.

declare module 'kafkajs/src/broker/saslAuthenticator/plain.js' {
  import type { AuthenticationProviderArgs, Authenticator } from 'kafkajs'
  export default function provider(sasl: {
    readonly username: string
    readonly password: string
  }): (args: AuthenticationProviderArgs) => Authenticator
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram256.js' {
  import provider from 'kafkajs/src/broker/saslAuthenticator/plain.js'
  export default provider
}

declare module 'kafkajs/src/broker/saslAuthenticator/scram512.js' {
  import provider from 'kafkajs/src/broker/saslAuthenticator/plain.js'
  export default provider
}
