import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { ParkedMessage, ParkedMessages } from '../port/parked.ts'
import { problemOf, setup } from './app.suite.ts'
import { parkedDroppedSchema, parkedListAnswerSchema } from './response-schemas.ts'

const message: ParkedMessage = { queue: 'q', reason: 'not a JSON object', bytes: 7, excerpt: 'garbage' }

function world(parked: Partial<ParkedMessages> = {}) {
  const listed: number[] = []
  const dropped: (number | 'all')[] = []
  const made = setup({
    deps: {
      parked: {
        async list(limit) {
          listed.push(limit)
          return { total: 7, messages: [message, { ...message, queue: null, reason: null }] }
        },
        async drop(count) {
          dropped.push(count)
          return 3
        },
        ...parked,
      },
    },
  })
  const drop = (query: string) => made.send(`/v1/parked${query}`, { method: 'DELETE' })
  return { ...made, listed, dropped, drop }
}

describe('/v1/parked', () => {
  it('shows what nobody could read, without what is not known of it', async () => {
    const { send, listed } = world()
    const response = await send('/v1/parked?limit=2')
    expect([response.status, parkedListAnswerSchema.parse(await response.json())]).toEqual([
      200,
      { data: [message, { bytes: 7, excerpt: 'garbage' }], meta: { total: 7 } },
    ])
    await send('/v1/parked')
    expect(listed).toEqual([2, 100])
  })

  it('drops the oldest by count, or all', async () => {
    const { drop, dropped } = world()
    const response = await drop('?count=3')
    expect([response.status, parkedDroppedSchema.parse(await response.json())]).toEqual([200, { dropped: 3 }])
    await drop('?all=true')
    expect(dropped).toEqual([3, 'all'])
  })

  it.each(['', '?count=0', '?count=101', '?count=x', '?all=false', '?all=yes', '?count=1&all=true', '?conut=1'])(
    'drops nothing for %j',
    async (query) => {
      const { drop, dropped } = world()
      const response = await drop(query)
      expect((await problemOf(response)).status).toBe(400)
      expect(dropped).toEqual([])
    },
  )

  it('refuses a limit beyond the bound', async () => {
    expect((await world().send('/v1/parked?limit=101')).status).toBe(400)
  })

  it('is a 503 with Retry-After while RabbitMQ is away', async () => {
    const away = () => Promise.reject(new DependencyUnavailableError('rabbitmq', 'not connected'))
    const { send, drop } = world({ list: away, drop: away })
    for (const response of [await send('/v1/parked'), await drop('?all=true')]) {
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
      expect((await problemOf(response)).detail).toContain('RabbitMQ')
    }
  })

  it('says which methods it has', async () => {
    const response = await world().send('/v1/parked', { method: 'POST' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, DELETE'])
  })
})
