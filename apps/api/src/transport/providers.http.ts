import { Controller } from '@nestjs/common';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import { provider, providerOf } from './providers.dto.js';
import { Route } from './route.js';
import { listOf } from './shapes.dto.js';

/** What a source can be a source of. */
@Controller()
export class ProvidersController {
  private readonly catalogue = {
    data: [...PROVIDERS.values()].map(providerOf),
    nextCursor: null,
  };

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/providers',
    tag: 'Sources',
    summary: 'The providers whose webhooks can be taken, with the settings of each',
    access: { principal: 'tenant', scope: 'sources:read' },
    status: 200,
    response: listOf(provider),
  })
  list() {
    return this.catalogue;
  }
}
