import { createHash } from 'node:crypto';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import type { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { unrecognizedEvent, type Provider, type ProviderEvent } from '@posthorn/providers/provider.js';
import { SchemaRefusal } from '../domain/schema-refusal.js';
import { withTenantSignals } from '../domain/tenant-signals.js';
import type { SourceRules } from './source-settings.js';

/**
 * What is in an authentic request; at least one event. What breaks its adapter is kept like what is not understood.
 * @param failed is told why an adapter gave nothing.
 * @throws SchemaRefusal when the source refuses what its schema does not fit.
 */
export function understandRequest(
  request: ProviderRequest,
  rules: SourceRules,
  { keywords }: Pick<EdgeTenant, 'keywords'>,
  failed: (error: unknown) => void,
): readonly ProviderEvent[] {
  const events = withTenantSignals(parsed(rules.provider, request, rules.settings, failed), keywords);
  return rules.schema === undefined ? events : fitting(events, request, rules);
}

function parsed(
  provider: Provider,
  request: ProviderRequest,
  settings: SourceRules['settings'],
  failed: (error: unknown) => void,
): readonly ProviderEvent[] {
  try {
    const events = provider.parse(request, settings);
    if (events.length > 0) return events;
    failed(new Error('the adapter gave no event'));
  } catch (error) {
    failed(error);
  }
  const bytes = createHash('sha256').update(request.target).update('\n').update(request.body);
  return [unrecognizedEvent(`body:${bytes.digest('hex')}`, 'the adapter failed')];
}

/**
 * What the schema of a source lets be understood. An opt-out counts whatever else the body says.
 * @throws SchemaRefusal when the source refuses what does not fit. A schema that cannot be used refuses nothing.
 */
function fitting(
  events: readonly ProviderEvent[],
  request: ProviderRequest,
  { schema, isSchemaEnforced }: SourceRules,
): readonly ProviderEvent[] {
  const isUsable = schema !== undefined && !(schema instanceof Error);
  const mismatch = isUsable ? schema.mismatchIn(request.json()) : 'the schema cannot be used';
  if (mismatch === undefined) return events;
  if (isUsable && isSchemaEnforced) throw new SchemaRefusal(mismatch);
  return events.map((event) =>
    unrecognizedEvent(event.dedupKey, `schema: ${mismatch}`, { ...event, status: '' }),
  );
}
