import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DependencyUnavailableError,
  KeyReusedError,
  NotFoundError,
  OverloadedError,
  RejectedDataError,
  StateConflictError,
} from '../domain/errors.ts'
import { batchId, knownId, setup, unknownId, type World } from './app.suite.ts'
import { api, checkByContract, contractFuzz, operationOf, sendTo, validRequest } from './contract-fuzz.suite.ts'

const ids = { id: knownId, batchId }

contractFuzz('over fakes', 40, async () => {
  const { send } = setup()
  return { send, ids, close: async () => undefined }
})

const everywhere: readonly (readonly [what: string, world: World])[] = [
  ['PostgreSQL is away', { failure: new DependencyUnavailableError('postgres', 'gone') }],
  ['too much waits', { failure: new OverloadedError('too many rows wait') }],
  ['nothing is found', { failure: new NotFoundError('no such thing') }],
  ['a key is set', { settings: { apiKey: 'secret' } }],
  ['no request is let in', { settings: { requestsMax: 0 } }],
]

describe('the OpenAPI document has every answer', () => {
  const all = everywhere.flatMap(([what, world]) =>
    api.operations.map((one) => [one.operationId, what, world] as const),
  )

  it.each(all)('of %s when %s', async (id, _what, world) => {
    const operation = operationOf(id)
    const { send } = setup(world)
    const draw = fc.asyncProperty(validRequest(operation, ids), async (request) => {
      const response = await sendTo({ send }, request)
      if (world.failure instanceof NotFoundError && operation.responses['404'] === undefined) return // cannot be thrown
      await checkByContract(operation, response)
    })
    await fc.assert(draw, { numRuns: 5, includeErrorInReport: true })
  })

  it.each([
    ['createNotification', new KeyReusedError('used before', null), 422],
    ['createBatch', new KeyReusedError('used before', 0), 422],
    ['cancelNotification', new StateConflictError('is SENT'), 409],
    ['replayNotification', new StateConflictError('is SENT'), 409],
    ['createNotification', new RejectedDataError('22021', 'invalid byte sequence'), 400],
  ])('of %s when it throws %s', async (id, failure, status) => {
    const { send } = setup({ failure })
    const [request] = fc.sample(validRequest(operationOf(id), ids), 1)
    if (request === undefined) throw new Error('nothing was drawn')
    const response = await sendTo({ send }, request)
    expect(response.status).toBe(status)
  })

  it.each(['createNotification', 'createBatch', 'replayNotification'])(
    'of %s to bodies it does not read',
    async (id) => {
      const operation = operationOf(id)
      const { send } = setup()
      const path = operation.path.replace('{id}', knownId)
      const headers = { 'content-type': 'application/json' }
      const body = ' '.repeat(11 * 1024 * 1024)
      const responses = await Promise.all([
        send(path, { method: 'POST', headers, body }),
        send(path, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' }),
        send(path, { method: 'POST', headers: { ...headers, 'content-encoding': 'gzip' }, body: 'x' }),
      ])
      expect(responses.map(({ status }) => status)).toEqual([413, 415, 415])
      for (const response of responses) await checkByContract(operation, response)
    },
  )

  it.each([
    ['readyz', '/readyz?for=ever'],
    ['getNotification', `/v1/notifications/${unknownId}`],
    ['getNotification', `/v1/notifications/${knownId}?include=x`],
    ['listAttempts', '/v1/notifications/x/attempts'],
    ['getBatch', '/v1/batches/x'],
    ['listNotifications', '/v1/notifications?cursor=x'],
  ])('of %s to %s', async (id, path) => {
    const { send } = setup()
    await checkByContract(operationOf(id), await send(path))
  })
})
