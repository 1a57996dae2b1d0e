import { checkSmtpConfig, smtpConnector } from '../smtp/connector.ts'
import { openSmtpOutlet, type SmtpDeps } from '../smtp/outlet.ts'
import type { OutletKind } from './kind.ts'

/** Mail over any relay: the one kind that speaks no HTTP. */
export function smtpKind(deps: SmtpDeps): OutletKind {
  const { name, document } = smtpConnector
  const { id, version, display, recipient, config: fields } = document
  return {
    name,
    id,
    version,
    channel: 'EMAIL',
    display,
    recipient,
    fields,
    canProbe: true,
    repeatable: false,
    check: checkSmtpConfig,
    open: (connection, config) => openSmtpOutlet(connection, config, {}, deps),
  }
}
