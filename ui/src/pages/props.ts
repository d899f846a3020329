import type { Question } from '../components/Confirm.svelte';
import type { GatewayState } from '../state/gateway.svelte';

/** What every page gets. */
export interface PageProps {
  gateway: GatewayState;
  /** What the address names within the page. */
  detail: string;
  /** Asks before something is taken away. */
  ask: (question: Question) => void;
}
