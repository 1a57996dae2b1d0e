import type { ConfigFieldView, ConnectionAdmin, ConnectorView } from '../port/connection-admin.ts'
import { answer, type Route } from './context.ts'

/** What connections can be made of. */
export function connectorRoutes({
  connections,
}: {
  readonly connections: Pick<ConnectionAdmin, 'connectors'>
}): readonly Route[] {
  return [
    {
      path: '/v1/connectors',
      methods: {
        GET(c) {
          const { connectors, problems } = connections.connectors()
          return answer(c, 200, { data: connectors.map(toConnector), problems })
        },
      },
    },
  ]
}

function toConnector({ display, recipient, config, file, ...rest }: ConnectorView) {
  return {
    ...rest,
    display: { ...display, docs: display.docs ?? undefined, description: display.description ?? undefined },
    recipient: { ...recipient, help: recipient.help ?? undefined },
    config: config.map(toField),
    file: file ?? undefined,
  }
}

function toField(field: ConfigFieldView) {
  return Object.fromEntries(Object.entries(field).filter(([, value]) => value !== null))
}
