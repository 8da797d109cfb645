import { idOf } from '../wire/ids.js';
import { type Evidence, type Violation } from './evidence.js';

/** I6: whatever follows from a tenant's request belongs to that tenant, in every table and at every receiver. */
export function judgeTenants({ tenants, destinations, sent, receipts, stored }: Evidence): Violation[] {
  const slugOf = new Map(tenants.map(({ uuid, slug }) => [uuid, slug]));
  const senderOf = new Map(sent.map(({ bodyHash, tenant }) => [bodyHash, tenant]));
  const tenantOfRequest = new Map<string, string>();
  const violations: Violation[] = [];
  const crossed = (what: string, subject: string): void => {
    violations.push({ invariant: 'I6', what, subject });
  };
  for (const { request, tenant, content } of stored.raws) {
    tenantOfRequest.set(request, tenant);
    const sender = senderOf.get(content?.bodyHash ?? '');
    if (sender !== undefined && slugOf.get(tenant) !== sender)
      crossed('a request is stored under another tenant', request);
  }
  const tenantOfEvent = new Map<string, string>();
  for (const { event, tenant, request } of stored.events) {
    tenantOfEvent.set(event, tenant);
    if (request !== '' && (tenantOfRequest.get(request) ?? tenant) !== tenant)
      crossed('an event is stored under another tenant', event);
  }
  const rows = { ...stored, raws: [], events: [], messages: [], shards: [] };
  for (const [table, list] of Object.entries(rows))
    for (const { event, tenant } of list as readonly { event: string; tenant: string }[])
      if ((tenantOfEvent.get(event) ?? tenant) !== tenant)
        crossed(`a row of ${table} is under another tenant`, event);
  return [...violations, ...judgeReceivers({ tenants, destinations, receipts, stored })];
}

function judgeReceivers({
  tenants,
  destinations,
  receipts,
  stored,
}: Pick<Evidence, 'tenants' | 'destinations' | 'receipts' | 'stored'>): Violation[] {
  const slugOf = new Map(tenants.map(({ uuid, slug }) => [uuid, slug]));
  const ownerOf = new Map(destinations.map(({ name, tenant }) => [name, tenant]));
  const tenantOfFact = new Map(stored.facts.map(({ fact, tenant }) => [idOf('fct', fact), tenant]));
  const ownerOfUuid = new Map(destinations.map(({ uuid, tenant }) => [uuid, tenant]));
  const wrongRows = stored.deliveries.filter(
    ({ destination, tenant }) => (ownerOfUuid.get(destination) ?? tenant) !== tenant,
  );
  const wrongReceipts = receipts.filter(({ destination, webhookId, tenant }) => {
    const owner = ownerOf.get(destination);
    if (owner === undefined) return false;
    return (tenantOfFact.get(webhookId) ?? owner) !== owner || slugOf.get(owner) !== tenant;
  });
  const what = 'a delivery went to another tenant';
  return [
    ...wrongRows.map(({ delivery }): Violation => ({ invariant: 'I6', what, subject: delivery })),
    ...wrongReceipts.map(({ webhookId }): Violation => ({ invariant: 'I6', what, subject: webhookId })),
  ];
}
