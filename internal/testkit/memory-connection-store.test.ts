import { connectionStoreConformance } from '../port/conformance/connection-store.suite.ts'
import { MemoryConnectionStore } from './memory-connection-store.ts'

connectionStoreConformance('MemoryConnectionStore', async () => ({
  store: new MemoryConnectionStore(),
  close: async () => undefined,
}))
