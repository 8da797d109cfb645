import { Controller } from '@nestjs/common';
import { ReadOverview } from '../application/read-overview.js';
import { overview, overviewOf } from './overview.dto.js';
import { Route } from './route.js';

/** How the whole platform is. */
@Controller()
export class OverviewController {
  constructor(private readonly reads: ReadOverview) {}

  @Route({
    method: 'GET',
    path: '/v1/overview',
    tag: 'Operators',
    summary:
      'Every stage with its depth, lag, rate and what is wrong with it; what is stopped; how new sources do',
    access: { principal: 'operator', scope: 'platform:read' },
    status: 200,
    response: overview,
  })
  async read() {
    return overviewOf(await this.reads.run());
  }
}
