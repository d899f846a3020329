import { sentenceOf } from '../backend/backend';

/** Something that is asked from the gateway and may be asked again. */
export class Resource<T> {
  value = $state.raw<T | null>(null);
  /** Why the last try failed; empty when it did not. */
  error = $state('');
  isLoading = $state(false);
  #load: () => Promise<T>;
  #isStale = false;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** Asks. While it is being asked, further calls lead to one more asking after it. */
  async refresh(): Promise<void> {
    if (this.isLoading) {
      this.#isStale = true;
      return;
    }
    this.isLoading = true;
    try {
      do {
        this.#isStale = false;
        this.value = await this.#load();
        this.error = '';
      } while (this.#isStale);
    } catch (error) {
      this.error = sentenceOf(error);
    } finally {
      this.isLoading = false;
    }
  }
}
