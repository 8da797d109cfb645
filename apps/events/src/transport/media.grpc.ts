import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  SettleMediumRequest_Outcome as Outcome,
  type ClaimMediaRequest,
  type ClaimMediaResponse,
  type MediumName as Name,
  type SettleMediumRequest,
  type SettleMediumResponse,
  type StoreMediumRequest,
  type StoreMediumResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { HandOutMedia } from '../application/hand-out-media.js';
import type { MediumEnd, MediumName } from '../domain/media.js';

const OUTCOMES: Readonly<Partial<Record<Outcome, MediumEnd | 'retry'>>> = {
  [Outcome.OUTCOME_RETRY]: 'retry',
  [Outcome.OUTCOME_GONE]: 'gone',
  [Outcome.OUTCOME_REFUSED]: 'refused',
  [Outcome.OUTCOME_TOO_LARGE]: 'too_large',
};

/** Media that messages refer to, for dispatcher. */
@Controller()
export class MediaController {
  constructor(private readonly media: HandOutMedia) {}

  @GrpcMethod('MediaService', 'claimMedia')
  async claimMedia(request: ClaimMediaRequest): Promise<ClaimMediaResponse> {
    const claimed = await this.media.claim(request.instanceId, request.limit, request.leaseSeconds);
    return {
      media: claimed.map(({ tenantId, eventId, index, sourceId, provider, url, maxBytes }) => ({
        ...{ name: { tenantId, eventId, index }, sourceId, provider, url, maxBytes },
      })),
    };
  }

  @GrpcMethod('MediaService', 'storeMedium')
  async storeMedium(request: StoreMediumRequest): Promise<StoreMediumResponse> {
    const { instanceId, name, contentType, body } = request;
    return { stored: await this.media.keep(instanceId, nameOf(name), { contentType, body }) };
  }

  @GrpcMethod('MediaService', 'settleMedium')
  async settleMedium(request: SettleMediumRequest): Promise<SettleMediumResponse> {
    const { instanceId, name, outcome, reason, retryAfterMs } = request;
    const state = OUTCOMES[outcome];
    if (state === undefined) throw invalid('outcome', 'must be one of the list');
    const now = await this.media.settle(instanceId, nameOf(name), { state, reason, retryAfterMs });
    return { state: now ?? '' };
  }
}

function nameOf(name: Name | undefined): MediumName {
  if (name === undefined) throw invalid('name', 'must be given');
  return name;
}

const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });
