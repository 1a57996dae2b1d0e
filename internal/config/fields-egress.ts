import { openSetting, setting } from './field.ts'
import { boolean, listOf, network, portRange } from './parsers.ts'
import { proxyUrl } from './urls.ts'

/** Where the engine may send to. The host and port of WEBHOOK_SITE_URL are always allowed. */
export const egressFields = {
  allowNets: openSetting({
    env: 'ALLOW_NETS',
    group: 'Egress',
    parse: listOf(network),
    otherwise: 'none: only public addresses are called',
    example: '10.0.0.0/8,192.168.0.0/16',
    help: 'Networks of your own that targets may lie in, also over http:. Whoever may set up connections reaches every web server in them. Cloud metadata addresses need an entry of their own, such as 169.254.169.254.',
  }),
  denyNets: openSetting({
    env: 'DENY_NETS',
    group: 'Egress',
    parse: listOf(network),
    otherwise: 'none',
    example: '203.0.113.0/24',
    help: 'Networks that are never called, whatever else allows them: your own public addresses, or the prefix of your NAT64.',
  }),
  egressPorts: setting({
    env: 'EGRESS_PORTS',
    group: 'Egress',
    parse: listOf(portRange),
    default: '80,443,8080,8443',
    help: 'Ports that targets may have, in your own networks too. 1-65535 allows all.',
  }),
  egressHttp: setting({
    env: 'EGRESS_HTTP',
    group: 'Egress',
    parse: boolean,
    default: 'false',
    help: 'Allows http: to public addresses, unencrypted. In the networks of ALLOW_NETS it is always allowed.',
  }),
  egressProxy: openSetting({
    env: 'EGRESS_PROXY',
    group: 'Egress',
    parse: proxyUrl,
    otherwise: 'none; HTTP_PROXY and its like are not read',
    secrecy: 'url',
    example: 'http://user:password@proxy.internal:3128',
    help: 'HTTP proxy for every call to a name, by CONNECT. It resolves the names, so it must refuse private addresses itself. Targets written as addresses of ALLOW_NETS or WEBHOOK_SITE_URL are called directly.',
  }),
}
