import { AppError } from '@posthorn/errors/app-error.js';

/**
 * What a watcher can ask for; `person_keys` come with the hash keys, for the service that may hold them, `record_keys` to
 * whom says in its hello that it opens what they seal.
 */
export type ConfigKind =
  | 'tenants'
  | 'hash_keys'
  | 'person_keys'
  | 'record_keys'
  | 'data_keys'
  | 'sources'
  | 'source_settings'
  | 'send_credentials'
  | 'destinations';

/** What a change can touch. */
export type ConfigObject = 'tenant' | 'source' | 'destination' | 'platform';

/**
 * Which services may hold what. Destinations come with their secrets; sources with what their requests are verified
 * with, with what their sends need, or with neither: no service holds both.
 */
const CALLERS: Readonly<Record<ConfigKind, readonly string[]>> = {
  tenants: ['ingress', 'events', 'compliance', 'dispatcher'],
  hash_keys: ['ingress', 'events', 'compliance', 'dispatcher'],
  person_keys: ['compliance'],
  record_keys: ['compliance'],
  data_keys: ['ingress', 'events', 'dispatcher'],
  sources: ['ingress'],
  source_settings: ['ingress', 'events', 'compliance', 'dispatcher'],
  send_credentials: ['dispatcher'],
  destinations: ['dispatcher'],
};

/** The kinds whose watchers hold an object of that sort. */
export const KINDS_OF: Readonly<Record<ConfigObject, readonly ConfigKind[]>> = {
  tenant: ['tenants', 'hash_keys', 'data_keys'],
  source: ['sources', 'source_settings', 'send_credentials'],
  destination: ['destinations'],
  platform: ['tenants'],
};

/** What a service that asks for these kinds is to have: it may be older than a kind. */
export const kindsFor = (service: string, asked: readonly ConfigKind[]): ConfigKind[] => [
  ...new Set(asked),
  ...(asked.includes('hash_keys') && CALLERS.person_keys.includes(service) ? (['person_keys'] as const) : []),
];

/** @throws AppError `caller.forbidden` unless that service may hold all of these. */
export function checkKinds(caller: string, kinds: readonly ConfigKind[]): void {
  const forbidden = kinds.filter((kind) => !CALLERS[kind].includes(caller));
  if (forbidden.length > 0)
    throw new AppError('caller.forbidden', { detail: `${caller} may not hold ${forbidden.join(', ')}` });
}
