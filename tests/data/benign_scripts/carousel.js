// Pictures that turn; neither sends nor knows anything.
class Carousel {
  constructor(root, seconds = 5) {
    this.slides = [...root.querySelectorAll('.slide')];
    this.at = 0;
    setInterval(() => this.show((this.at + 1) % this.slides.length), seconds * 1000);
  }
  show(next) {
    this.slides[this.at].hidden = true;
    this.slides[next].hidden = false;
    this.at = next;
  }
}
document.querySelectorAll('.carousel').forEach((root) => new Carousel(root));
