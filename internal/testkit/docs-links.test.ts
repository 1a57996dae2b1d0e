import { existsSync, globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { namesOf } from '../config/field.ts'
import { allFields } from '../config/fields.ts'

// Pages go stale silently. What can be held against the repository: links, commands, settings and metrics they name.

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8')
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? '')

const pages = ['README.md', 'CHANGELOG.md', 'internal/dispatch/README.md', ...globSync('docs/**/*.md', { cwd: root })]
  .map((path) => path.replaceAll('\\', '/'))
  .toSorted()

const withoutFences = (text: string) => text.replaceAll(/^```[\s\S]*?^```$/gm, '')

/** Anchors as GitHub makes them of headings; a repeated heading gets a number. */
function anchorsOf(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const anchors = matches(withoutFences(text), /^#{1,6} (.+?)\s*$/gm).map((heading) => {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = words.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    const repeats = seen.get(slug) ?? 0
    seen.set(slug, repeats + 1)
    return repeats === 0 ? slug : `${slug}-${repeats}`
  })
  return new Set(anchors)
}

/** Why a link of `page` leads nowhere, or null. */
function brokenBecause(page: string, link: string): string | null {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : posix.join(posix.dirname(page), decodeURIComponent(path))
  if (target.startsWith('..')) return `${link} leads out of the repository`
  if (!existsSync(`${root}${target}`)) return `${link}: there is no ${target}`
  if (anchor === undefined) return null
  if (!target.endsWith('.md')) return `${link}: only pages have anchors`
  return anchorsOf(read(target)).has(anchor) ? null : `${link}: ${target} has no heading for #${anchor}`
}

function brokenLinks(page: string, text: string): readonly string[] {
  const links = matches(withoutFences(text).replaceAll(/`[^`\n]*`/g, ''), /\]\(([^)\s]+)\)/g)
  return links.filter((link) => !/^[a-z]+:/.test(link)).flatMap((link) => brokenBecause(page, link) ?? [])
}

/** Code only, where a command is meant as one: fences and `inline`. */
function codeOf(text: string): string {
  const fences = matches(text, /^```\w*\n([\s\S]*?)^```$/gm)
  return [...fences, ...matches(withoutFences(text), /`([^`\n]+)`/g)].join('\n')
}

/** Variables that are no settings of the engine: of the tests, of small programs, of Node. */
const otherVariables = new Set([
  'TEST_DATABASE_URL',
  'TEST_RABBITMQ_URL',
  'TEST_REDIS_URL',
  'E2E_PROFILES',
  'ENGINE_URL',
  'UV_THREADPOOL_SIZE',
  'HTTP_PROXY', // named for not being read
  // of make bench
  'SCENARIOS',
  'REPEATS',
  'SCALE',
  'QUICK',
  'PEERS',
  'PROFILE',
  'HISTORY',
  'BASELINE',
])
const settings = new Set([...allFields.flatMap(namesOf), ...otherVariables])
const manifest: unknown = JSON.parse(read('package.json'))
const makefile = read('Makefile')
const telemetry = read('internal/telemetry/metrics.ts') + read('internal/telemetry/connection-metrics.ts')

function isScript(name: string): boolean {
  if (typeof manifest !== 'object' || manifest === null || !('scripts' in manifest)) return false
  return typeof manifest.scripts === 'object' && manifest.scripts !== null && name in manifest.scripts
}

describe.each(pages)('%s', (page) => {
  const text = read(page)
  const code = codeOf(text)

  it('links only to files and headings that exist', () => {
    expect(brokenLinks(page, text)).toEqual([])
  })

  it('names only make targets and npm scripts that exist', () => {
    const targets = matches(code, /\bmake +([a-z][a-z-]*)/g)
    expect(targets.filter((target) => !new RegExp(`^${target}:`, 'm').test(makefile))).toEqual([])
    expect(matches(code, /\bnpm run +(?:--silent +)?([\w:-]+)/g).filter((script) => !isScript(script))).toEqual([])
  })

  it('sets and names only settings that exist', () => {
    const named = [...matches(code, /^([A-Z][A-Z0-9]*_[A-Z0-9_]+)$/gm), ...matches(code, /\b([A-Z][A-Z0-9_]{3,})=/g)]
    expect(named.filter((name) => !settings.has(name) && name !== 'ARGS')).toEqual([])
  })

  it('names only metrics that exist', () => {
    const named = matches(code, /\bdispatch_engine_(\w+)/g)
    expect(named.filter((name) => !telemetry.includes(`'${name}'`))).toEqual([])
  })
})

describe('these checks', () => {
  it('see the pages, and find what is planted', () => {
    expect(pages).toContain('docs/OPERATIONS.md')
    expect(anchorsOf('# A `b` (c), d\n# A `b` (c), d\n```\n# no\n```\n')).toEqual(new Set(['a-b-c-d', 'a-b-c-d-1']))
    const planted = '[a](nowhere.md) [b](README.md#nothing) [c](https://example.com) `[d](code.md)`'
    expect(brokenLinks('README.md', planted)).toHaveLength(2)
    expect(codeOf('make tea\n```sh\nmake one\n```\nsee `make two`')).toBe('make one\n\nmake two')
  })

  it('every metric of the engine is explained', () => {
    const names = matches(telemetry, /#(?:counter|gauge|histogram)\('(\w+)'/g)
    expect(names.length).toBeGreaterThan(20)
    const explained = read('docs/OPERATIONS.md')
    expect(names.filter((name) => !explained.includes(`\`dispatch_engine_${name}\``))).toEqual([])
  })

  it('every alert is explained', () => {
    const alerts = matches(read('docker/alerts.yml'), /alert: (\w+)/g)
    expect(alerts.filter((alert) => !read('docs/OPERATIONS.md').includes(`\`${alert}\``))).toEqual([])
  })
})
