import { embeddedProfile } from './embedded-ground.ts'
import type { Profile, ProfileName } from './ground.ts'
import { servicesProfile } from './services-ground.ts'

const known = [embeddedProfile, servicesProfile] as const satisfies readonly Profile[]

/** Every test file runs for each of these; `E2E_PROFILES=embedded` (or `services`) chooses. */
export const profiles: readonly Profile[] = choose(process.env['E2E_PROFILES'])

export function isChosen(name: ProfileName): boolean {
  return profiles.some((profile) => profile.name === name)
}

function choose(text = ''): readonly Profile[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  const names = known.map((profile) => profile.name)
  const wrong = words.find((word) => !names.some((name) => name === word))
  if (wrong !== undefined) throw new Error(`E2E_PROFILES: expected ${names.join(', ')}, found "${wrong}"`)
  return words.length === 0 ? known : known.filter((profile) => words.includes(profile.name))
}
