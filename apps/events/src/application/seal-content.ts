import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import { encodeContent } from '../persistence/content.codec.js';

/** Seals what people write about a conversation, as ingress seals what comes in. */
export class SealContent {
  constructor(
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns undefined for an empty text.
   * @throws AppError `data_key.unavailable` when the tenant's key of the week is not in memory.
   */
  run(tenantId: Buffer, eventId: Buffer, text: string): HandoffStep['sealed'] {
    if (text === '') return undefined;
    const box = this.edge.tenant(formatId('ten', tenantId))?.boxFor(this.clock.nowMs());
    if (box === undefined) throw new AppError('data_key.unavailable');
    const content = encodeContent({ from: '', to: '', subject: '', mediaUrls: [], text });
    return { dataKeyId: box.keyId, body: box.seal(content, sealAad('content', tenantId, eventId)) };
  }
}
