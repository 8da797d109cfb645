import { Controller, Header, StreamableFile } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { EventsClient } from '../clients/events.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf } from './applied.js';
import { type Call, CallOf, Route } from './route.js';

const INDEX = /^\d$/;

/** What messages refer to: images, documents, recordings. */
@Controller()
export class MediaController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly events: EventsClient,
  ) {}

  /** Whoever sent it chose every byte and its type: a browser must neither show nor run it. */
  @Header('x-content-type-options', 'nosniff')
  @Header('content-security-policy', "default-src 'none'; sandbox")
  @Header('cache-control', 'private, no-store')
  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/events/{id}/media/{index}',
    tag: 'Events',
    summary: 'A medium that the event refers to, as its provider had it; its type is what the provider said',
    access: { principal: 'tenant', scope: 'payloads:read' },
    status: 200,
    hasBytes: true,
    errors: ['event.not_found', 'media.not_found', 'data_key.not_found'],
  })
  async get(@CallOf() call: Call): Promise<StreamableFile> {
    const { id, index } = call.params as { id: string; index: string };
    if (!INDEX.test(index)) throw new AppError('media.not_found');
    const { contentType, body } = await this.events.query.getEventMedium(
      { tenantId: call.tenant.id, id, index: Number(index) },
      this.events.long,
    );
    await this.tenants.recordAccess(actorOf(call), call.tenant.id, 'media.read', id, {
      index: Number(index),
    });
    return new StreamableFile(body, {
      type: contentType,
      disposition: `attachment; filename="${id}-${index}"`,
      length: body.length,
    });
  }
}
