import { Controller } from '@nestjs/common';
import {
  type PreviewSendsRequest,
  type PreviewSendsResponse,
  type SendPreviewServiceController,
  SendPreviewServiceControllerMethods,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { EdgeTenants, invalid } from '../application/edge-tenants.js';
import { PreviewSends } from '../application/preview-sends.js';
import { isSendChannel } from '../domain/suppression.js';

/** What may be sent to a person now. */
@Controller()
@SendPreviewServiceControllerMethods()
export class PreviewController implements SendPreviewServiceController {
  constructor(
    private readonly preview: PreviewSends,
    private readonly tenants: EdgeTenants,
  ) {}

  async previewSends(request: PreviewSendsRequest): Promise<PreviewSendsResponse> {
    const { tenantId, personId, channel, address, provider, lastInboundAtMs } = request;
    if (!isSendChannel(channel)) throw invalid('channel', 'must be sms, email, chat or push');
    const { consentStatus, previews } = await this.preview.run({
      person: this.tenants.personOf(tenantId, personId),
      isSendingPaused: this.tenants.isSendingPaused(tenantId),
      ...{ channel, address, provider, lastInboundAtMs },
    });
    return {
      consentStatus,
      previews: previews.map(({ category, decision }) => ({
        ...{ category, decision: decision.kind, rule: decision.rule },
        untilMs: decision.kind === 'defer' ? decision.untilMs : 0,
      })),
    };
  }
}
