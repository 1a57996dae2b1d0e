import { type Fault, nothing } from './fault.ts'

const group = 'load'
const calm = { share: 0, scripts: ['200'] }

/** Too much at once. */
export const loadFaults: readonly Fault[] = [
  {
    name: 'calm',
    group,
    about: 'nothing, for 15 s: then the metrics have to agree with the database',
    holdMs: 15_000,
    graceful: true,
    inject: () => Promise.resolve(nothing),
  },
  {
    name: 'overload',
    group,
    about: 'as many requests as go, on eight times as many lanes, for 20 s',
    holdMs: 20_000,
    async inject({ load }) {
      await load.stop()
      load.start({ lanes: 48, perSecond: 0 })
      return async () => {
        await load.stop()
        load.start({ lanes: 6, perSecond: 300 })
      }
    },
  },
  {
    name: 'backlog',
    group,
    about: '10,000 notifications fall due within one second',
    holdMs: 1_000,
    async inject({ load }) {
      const scheduledAt = new Date(Date.now() + 15_000).toISOString()
      for (let batch = 0; batch < 20; batch++) {
        await load.send(Array.from({ length: 500 }, () => ({ ...load.make(calm), scheduledAt })))
      }
      return nothing
    },
  },
]
