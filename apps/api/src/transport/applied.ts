import { type Actor, type Applied } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { Answer, type Call } from './route.js';

/** Who asks, for the audit log. */
export const actorOf = (call: Call<unknown, unknown>): Actor => ({
  id: call.principal.keyId,
  kind: call.principal.kind,
  remoteAddress: call.remoteAddress,
});

/** Who asks, of which tenant, as the other services want to know it. */
export const askedBy = (call: Call<unknown, unknown>) => ({
  tenantId: call.tenant.id,
  actorId: call.principal.keyId,
  principal: actorOf(call),
});

/** The answer to a change: 202 with `pending` while a service has not confirmed it. */
export function applied(
  status: number,
  body: object | undefined,
  change: Pick<Applied, 'pending'> | undefined,
): Answer {
  const pending = change?.pending ?? [];
  return pending.length === 0 ? new Answer(status, body) : new Answer(202, { ...body, pending });
}
