import { generateKeyPairSync } from 'node:crypto'
import { importSPKI, jwtVerify } from 'jose'
import { jsonAnswer, mediaTypeOf, type SimulatedAnswer, type SimulatedProvider } from './simulated-http.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const tokenUrl = 'https://oauth2.googleapis.com/token'
const tokenSeconds = 3_600
const assertionSecondsMax = 3_600

/** A service account with a key pair of its own, in the shape of the file that Google hands out. */
export function makeServiceAccount(projectId = 'simulated-project') {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const file = {
    type: 'service_account',
    project_id: projectId,
    private_key_id: 'simulated-key-1',
    private_key: privateKey,
    client_email: `sender@${projectId}.iam.gserviceaccount.com`,
    token_uri: tokenUrl,
  }
  return { file, publicKey }
}
export type ServiceAccount = ReturnType<typeof makeServiceAccount>

export interface GoogleTokens extends SimulatedProvider {
  /** Whether a token was given out, is not too old and was not revoked. */
  isValid(token: string, now: Date): boolean
  /** Makes all tokens given out so far invalid, as if the key had been changed. */
  revokeAll(): void
  readonly issued: number
}

/** Google's token endpoint for service accounts: a signed assertion for an access token. */
export function googleTokens({ file, publicKey }: ServiceAccount): GoogleTokens {
  const tokens = new Map<string, Date>()
  let issued = 0
  return {
    name: 'google-oauth2',
    hosts: ['oauth2.googleapis.com'],
    recipientOf: () => null,
    get issued() {
      return issued
    },
    isValid(token, now) {
      const endsAt = tokens.get(token)
      return endsAt !== undefined && now < endsAt
    },
    revokeAll: () => tokens.clear(),
    async answer(request, now) {
      if (request.path !== '/token' || request.method !== 'POST') return failure(404, 'not_found', 'Not Found')
      if (mediaTypeOf(request) !== 'application/x-www-form-urlencoded')
        return failure(400, 'invalid_request', 'no form')
      const form = new URLSearchParams(request.body)
      if (form.get('grant_type') !== grantType)
        return failure(400, 'unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type')}`)
      const wrong = await wrongWith(form.get('assertion') ?? '', file, publicKey, now)
      if (wrong !== null) return failure(400, 'invalid_grant', wrong)
      issued += 1
      const token = `ya29.simulated-${issued}-${now.getTime()}`
      tokens.set(token, new Date(now.getTime() + tokenSeconds * 1_000))
      return jsonAnswer(200, { access_token: token, expires_in: tokenSeconds, token_type: 'Bearer' })
    },
  }
}

async function wrongWith(
  assertion: string,
  file: ServiceAccount['file'],
  publicKey: string,
  now: Date,
): Promise<string | null> {
  try {
    const key = await importSPKI(publicKey, 'RS256')
    const { payload, protectedHeader } = await jwtVerify(assertion, key, {
      algorithms: ['RS256'],
      issuer: file.client_email,
      audience: tokenUrl,
      requiredClaims: ['iat', 'exp', 'scope'],
      currentDate: now,
      clockTolerance: 60,
    })
    if (protectedHeader.kid !== undefined && protectedHeader.kid !== file.private_key_id)
      return 'Invalid signature for token'
    if ((payload.exp ?? 0) - (payload.iat ?? 0) > assertionSecondsMax)
      return 'Invalid JWT: Token must be a short-lived token (60 minutes)'
    const scope: unknown = payload['scope']
    if (scope !== 'https://www.googleapis.com/auth/firebase.messaging') return `Invalid OAuth scope: ${String(scope)}`
    return null
  } catch (error) {
    return `Invalid JWT Signature: ${String(error)}`
  }
}

function failure(status: number, error: string, description: string): SimulatedAnswer {
  return jsonAnswer(status, { error, error_description: description })
}
