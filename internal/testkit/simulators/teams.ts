import { z } from 'zod'
import {
  jsonAnswer,
  mediaTypeOf,
  readJson,
  type SimulatedAnswer,
  type SimulatedProvider,
  type SimulatedRequest,
} from './simulated-http.ts'

const workflow = '0123456789abcdef0123456789abcdef'
const signature = 'simulatedTeamsSignature-0123456789abcdefghi'

export const teamsAccount = {
  flowUrl:
    `https://prod-00.westeurope.logic.azure.com:443/workflows/${workflow}/triggers/manual/paths/invoke` +
    `?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=${signature}`,
  /** The same flow after it was deleted. */
  deletedFlowUrl:
    'https://prod-00.westeurope.logic.azure.com:443/workflows/ffffffffffffffffffffffffffffffff/triggers/manual/paths/invoke' +
    `?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=${signature}`,
}

const card = z.looseObject({
  type: z.literal('AdaptiveCard'),
  version: z.string().regex(/^1\.\d$/),
  body: z.array(z.looseObject({ type: z.string() })).min(1),
})
const payload = z.strictObject({
  type: z.literal('message'),
  attachments: z
    .array(
      z.strictObject({
        contentType: z.literal('application/vnd.microsoft.card.adaptive'),
        contentUrl: z.string().nullable().optional(),
        content: card,
      }),
    )
    .min(1),
})

const payloadBytesMax = 28 * 1_024

export interface TeamsSimulator extends SimulatedProvider {
  /** Turns the flow off or on again. */
  isOn: boolean
}

/** A Power Automate flow that waits for a Teams webhook request. */
export function teamsSimulator(): TeamsSimulator {
  return {
    name: 'teams-workflow',
    hosts: ['prod-00.westeurope.logic.azure.com'],
    isOn: true,
    recipientOf: () => null,
    answer(request) {
      const id = /^\/workflows\/([0-9a-f]{32})\/triggers\/manual\/paths\/invoke$/.exec(request.path)?.[1]
      if (id === undefined) return failure(404, 'ResourceNotFound', 'The resource was not found.')
      if (id !== workflow) return notEnabled('Deleted')
      if (request.query.get('sig') !== signature) {
        return failure(
          401,
          'DirectApiAuthorizationRequired',
          'The request must be authenticated by Shared Access scheme.',
        )
      }
      if (!this.isOn) return notEnabled('Disabled')
      return judge(request)
    },
  }
}

function judge(request: SimulatedRequest): SimulatedAnswer {
  if (request.method !== 'POST') return failure(405, 'MethodNotAllowed', 'The method is not allowed.')
  if (Buffer.byteLength(request.body) > payloadBytesMax) return failure(413, 'RequestEntityTooLarge', 'Too large.')
  if (mediaTypeOf(request) !== 'application/json') return failure(400, 'TriggerInputSchemaMismatch', 'No JSON.')
  const read = readJson(request, payload)
  if ('wrong' in read)
    return failure(400, 'TriggerInputSchemaMismatch', `${read.at.map(String).join('.')}: ${read.wrong}`)
  return { status: 202, headers: { 'x-ms-workflow-run-id': '08584000000000000000' }, body: '' }
}

function notEnabled(state: string): SimulatedAnswer {
  return failure(
    400,
    'WorkflowTriggerIsNotEnabled',
    `Could not execute workflow '${workflow}' trigger 'manual' with state '${state}': trigger is not enabled.`,
  )
}

function failure(status: number, code: string, message: string): SimulatedAnswer {
  return jsonAnswer(status, { error: { code, message } })
}
