import MeshModel
import Testing

struct PercentEncodingTests {
    @Test(arguments: [
        ("plain-1.2_3~", "plain-1.2_3~"), ("a b", "a%20b"), ("%", "%25"), ("\n\u{0}", "%0A%00"), ("ü", "%C3%BC"),
        ("", ""), ("a,b/c", "a%2Cb%2Fc"),
    ])
    func `text becomes one word and comes back`(text: String, word: String) {
        #expect(PercentEncoding.encode(text) == word)
        #expect(PercentEncoding.decode(word) == text)
    }

    @Test func `digits of either case are read`() {
        #expect(PercentEncoding.decode("%c3%Bc") == "ü")
    }

    @Test(arguments: ["%", "a%2", "%g0", "%0g", "a b", "a,b", "%ff", "%C3", "ü", "+%"])
    func `anything else is refused`(word: String) {
        #expect(PercentEncoding.decode(word) == nil)
    }
}
