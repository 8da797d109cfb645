import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { type Actor } from '../domain/actor.js';
import {
  checkDestination,
  type Destination,
  type DestinationFields,
  DESTINATIONS_MAX,
} from '../domain/destination.js';
import { checkDestinationUrl } from '../domain/destination-url.js';
import { reachedLimit } from '../domain/field-errors.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type DestinationRules } from './destination-rules.js';
import { type OwnerSecrets } from './owner-secrets.js';
import { type SecretVault } from './secret-vault.js';

/** Makes a destination and the secret that its deliveries are signed with. */
export class CreateDestination {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly secrets: OwnerSecrets,
    private readonly vault: SecretVault,
    private readonly rules: DestinationRules,
  ) {}

  /** @throws AppError `request.invalid`, `limit.reached`, `destination.address_forbidden`, `tenant.not_found` */
  async run(
    actor: Actor,
    tenant: string,
    given: DestinationFields,
  ): Promise<{ destination: Destination; signingSecret: string; applied: Applied }> {
    checkDestination(given);
    const fields = { ...given, url: checkDestinationUrl(given.url, this.rules.allowLoopback) };
    const signingSecret = generateSigningSecret();
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      if ((await this.destinations.count(tx, tenantId)) >= DESTINATIONS_MAX)
        throw reachedLimit('name', `a tenant has at most ${DESTINATIONS_MAX} destinations; delete one first`);
      const destinationId = uuidText(newUuid(nowMs));
      const { headers, ...plain } = fields;
      const key = await this.secrets.key(change);
      const headersSealed = this.vault.seal(tenantId, key, destinationId, JSON.stringify(headers));
      const row = await this.destinations.insert(
        tx,
        tenantId,
        { ...plain, destinationId, headersSealed },
        nowMs,
      );
      const owner = { object: 'destination', objectId: destinationId } as const;
      const secrets = [await this.secrets.add(change, owner, signingSecret)];
      change.touch('destination', destinationId);
      const after = { ...plain, headers: Object.keys(headers) };
      change.audit('destination.created', idOfUuid('dst', destinationId), { after });
      return { ...row, headers, secrets };
    });
    return { destination: value, signingSecret, applied };
  }
}
